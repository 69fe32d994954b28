// Nodes and links of a graph.

/** @param {any} graph @param {string} type @param {[number, number]} place */
export function addNode(graph, type, place) {
  const node = /** @type {any} */ (window).LiteGraph.createNode(type)
  node.pos = place
  graph.add(node)
  return node
}

/** What reads an output of a node: nodes, and which of their inputs. @param {any} node @param {number} slot
 *  @returns {[any, number][]} */
export function readersOf(node, slot) {
  const links = [...(node.outputs[slot].links ?? [])].map((id) => node.graph.getLink(id)).filter(Boolean)
  return links.map(({ target_id, target_slot }) => [node.graph.getNodeById(target_id), target_slot])
}

/** The first output of a type; -1 without one. @param {any} node @param {string} type */
export function outputOf(node, type) {
  return (node.outputs ?? []).findIndex((output) => output.type === type)
}
