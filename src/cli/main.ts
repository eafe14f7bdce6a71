/** STUB */
export {}
