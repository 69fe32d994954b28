// How wide nodes with our widgets are at least, in pixels.

export const RECIPE = 420
export const STACK = 400
export const GALLERY = 380
export const TRAINING = 380
