/** What may differ, each with the reason: it is replaced in the lines of both runs before they are compared. */
const HEADER = 'traceparent: "?00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]"?'
const CONTEXT = 'Symbol\\((?:async_id_symbol|trigger_async_id_symbol|kResourceStore)\\)'

export const ALLOWED = [
  {
    because: 'the trace goes with what is sent; but never in what the application has given',
    pattern: new RegExp(`(?<!^given: .*)(${HEADER}, |(, )?${HEADER}(\\\\r\\\\n)?)`, 'gm'),
    becomes: '',
  },
  {
    because: 'what is sent is longer by that',
    pattern: /bytesWritten: \d+/g,
    becomes: 'bytesWritten',
  },
  {
    because:
      'events are overheard where they are emitted, as listeners would show, and headers are met where they become bytes: inherited methods become own ones',
    pattern: / (emit|_storeHeader)\(wec\)|^.*\.(prototype|__proto__)\.(emit|_storeHeader) is .*$/gm,
    becomes: '',
  },
  {
    because:
      'all clients of the AWS SDK inherit one method, of which some clients are traced: there it becomes an own one',
    pattern: /(?<=S[NQ]S\.__proto__\.prototype is .*) send\(wc\)|^.*S[NQ]S\.__proto__\.prototype\.send is .*$/gm,
    becomes: '',
  },
  {
    because:
      'a wrapper is a function, so that it has a prototype and can be constructed, where a method of a class has none',
    pattern: /, can be constructed(?=; it has length\(c\) name\(c\))| prototype\(w\)/g,
    becomes: '',
  },
  {
    because: 'a wrapper is no async function and no generator: it returns what one returns',
    pattern: /, (async|generator)(?=[,;])/g,
    becomes: '',
  },
  {
    because: 'V8 names a function of the application by the property that it is called as',
    pattern: /\bat [^()"]+ \((?=test\/harm\/scripts\/)/g,
    becomes: 'at (',
  },
  {
    because: 'Node keeps the address of the other side, once somebody has asked for it, on the socket',
    pattern: /, _peername\b/g,
    becomes: '',
  },
  {
    because: 'the AsyncLocalStorage of Node 20 and 22 keeps the context on promises and on ports',
    pattern: new RegExp(`"${CONTEXT}", |(, )?"?${CONTEXT}"?(: (\\d+|undefined|\\w*( \\{[^}]*\\})?))?`, 'g'),
    becomes: '',
  },
  {
    because:
      'above the stack of an error that is never caught, Node shows the last line that threw it, which is ours, or none once its stack has been read',
    pattern: /^((file:\/\/)?\/|node:).*:\d+\n.*\n *\^*\n/gm,
    becomes: '',
  },
]
