"""What is kept in a database: records, migrations, configuration, data, history, packages."""
