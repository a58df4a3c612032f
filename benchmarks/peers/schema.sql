-- The peers' tables: an event once, a grant once per payment and item, and an entry for each grant.
CREATE TABLE events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key text NOT NULL UNIQUE,
  event_type text NOT NULL,
  payment_id text NOT NULL,
  created text NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  body text NOT NULL
);
CREATE INDEX ON events (payment_id);
CREATE TABLE grants (
  payment_id text NOT NULL,
  item text NOT NULL,
  wallet text NOT NULL,
  quantity bigint NOT NULL CHECK (quantity > 0),
  granted_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (payment_id, item)
);
CREATE INDEX ON grants (wallet);
CREATE TABLE ledger_entries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  payment_id text NOT NULL,
  item text NOT NULL,
  wallet text NOT NULL,
  delta bigint NOT NULL,
  event_id bigint NOT NULL REFERENCES events,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON ledger_entries (payment_id, id);
