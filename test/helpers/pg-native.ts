/** Whether pg-native could be built, and for the Node that runs: it was built for that of the installation. */
export function isBuilt(): boolean {
  try {
    require('pg-native')
    return true
  } catch {
    return false
  }
}
