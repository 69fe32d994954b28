// What our scripts use of ComfyUI's /scripts/app.js and /scripts/api.js, for `make check`; nothing loads this file.

/** A widget, with what kinds of widgets add to it. */
export interface Widget {
  name: string
  type: string
  value: any
  label?: string
  hidden?: boolean
  disabled?: boolean
  serialize?: boolean
  options: Record<string, any>
  element?: HTMLElement
  computedHeight?: number
  callback?: (...given: any[]) => any
  [more: string]: any
}

export interface DomWidgetOptions {
  getValue?: () => any
  setValue?: (value: any) => void
  getMinHeight?: () => number
  getMaxHeight?: () => number
  getHeight?: () => number | string
  onDraw?: (widget: Widget) => void
  hideOnZoom?: boolean
  serialize?: boolean
  margin?: number
  [more: string]: any
}

/** A node on the canvas. */
export interface GraphNode {
  id: number | string
  type: string
  comfyClass?: string
  title: string
  mode: number
  pos: [number, number]
  size: [number, number]
  widgets?: Widget[]
  inputs: any[]
  outputs: any[]
  properties: Record<string, any>
  graph: any
  flags: Record<string, any>
  addDOMWidget(name: string, type: string, element: HTMLElement, options?: DomWidgetOptions): Widget
  addWidget(type: string, name: string, value: any, callback?: any, options?: object): Widget
  setSize(size: [number, number]): void
  computeSize(): [number, number]
  setDirtyCanvas(front: boolean, back?: boolean): void
  getInputNode(slot: number): GraphNode | null
  onRemoved?: () => void
  onExecuted?: (output: any) => void
  [more: string]: any
}

export interface Extension {
  name: string
  [hook: string]: any
}

/** Settings, tabs, toasts and commands; its type is ComfyUI's own and changes with its versions. */
type Manager = any

export const app: {
  graph: any
  rootGraph: any
  canvas: any
  ui: any
  extensionManager: Manager
  registerExtension(extension: Extension & ThisType<any>): void
  graphToPrompt(graph?: any): Promise<{ workflow: any; output: Record<string, any> }>
  loadGraphData(data?: any, clean?: boolean, restoreView?: boolean, workflow?: any): Promise<void>
  queuePrompt(number: number, batchCount?: number): Promise<boolean>
  [more: string]: any
}

export const api: {
  clientId?: string
  fetchApi(route: string, options?: RequestInit): Promise<Response>
  apiURL(route: string): string
  fileURL(route: string): string
  addEventListener(kind: string, listener: (event: CustomEvent<any>) => void, options?: any): void
  removeEventListener(kind: string, listener: (event: CustomEvent<any>) => void, options?: any): void
  listUserDataFullInfo(folder: string): Promise<{ path: string; size: number; modified: number }[]>
  getUserData(file: string): Promise<Response>
  storeUserData(file: string, data: any, options?: object): Promise<Response>
  deleteUserData(file: string): Promise<Response>
  [more: string]: any
}
