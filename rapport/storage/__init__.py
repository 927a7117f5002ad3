"""Business data and projections in SQL: tables, records, migrations."""
