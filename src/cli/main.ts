/** The command `trace`: from arguments to what is printed. */
import { version } from '../version.js'

const HELP = `trace ${version}: distributed tracing for Node.js

To trace an application:
  node --import @org/trace/register app.js

Usage:
  trace --version   print the version
  trace --help      print this
`

const [command = '--help'] = process.argv.slice(2)

if (command === '--version') console.log(version)
else if (command === '--help') process.stdout.write(HELP)
else {
  process.stderr.write(`trace: unknown command ${JSON.stringify(command)}\n\n${HELP}`)
  process.exitCode = 1
}
