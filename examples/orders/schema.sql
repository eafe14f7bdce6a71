CREATE TABLE IF NOT EXISTS stock (
  item text PRIMARY KEY,
  units integer NOT NULL CHECK (units >= 0)
);

CREATE TABLE IF NOT EXISTS orders (
  id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  item text NOT NULL REFERENCES stock,
  quantity integer NOT NULL CHECK (quantity > 0),
  cents integer NOT NULL,
  status text NOT NULL DEFAULT 'placed'
);

INSERT INTO stock (item, units) VALUES ('tea', 100), ('coffee', 100), ('honey', 100) ON CONFLICT DO NOTHING;
