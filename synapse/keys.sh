#!/bin/sh
# Makes what synapse/homeserver.yaml names and only Synapse reads; keeps what is there. Back up the signing key.
set -eu
cd /data
[ -s signing.key ] || generate_signing_key -o signing.key
for name in registration_shared_secret macaroon_secret_key form_secret; do
    [ -s "$name" ] || head -c 32 /dev/urandom | base64 | tr -d '\n' >"$name"
    chmod 600 "$name"
done
mkdir -p media
chmod 600 signing.key
chown "$UID:$GID" . media signing.key registration_shared_secret macaroon_secret_key form_secret
