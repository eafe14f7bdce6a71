/** The span that the micro benchmarks make, and the headers of a request that continues a trace. */

export const NAME = 'SELECT orders'

export const attributes = () => ({
  'db.system.name': 'postgresql',
  'db.namespace': 'shop',
  'db.query.text': 'SELECT id, customer, total FROM orders WHERE id = $1',
  'db.operation.name': 'SELECT',
  'server.address': 'db.example.com',
  'server.port': 5432,
})

export const HEADERS = {
  host: 'shop.example.com',
  'user-agent': 'curl/8.5.0',
  accept: '*/*',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
}
