#!/bin/sh
# Runs once, when the PostgreSQL volume is new: one role and one database each for Synapse and the bridge.
set -eu
password=$(cat "$POSTGRES_PASSWORD_FILE")
for name in synapse festimo; do
    psql --username postgres --set ON_ERROR_STOP=1 --set password="$password" <<SQL
CREATE ROLE $name LOGIN PASSWORD :'password';
CREATE DATABASE $name OWNER $name TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
SQL
done
