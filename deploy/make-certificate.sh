#!/bin/sh
# Make the certificate of the broker anew: sh deploy/make-certificate.sh [FOLDER [NAME...]]
#
# FOLDER is deploy/secrets by default. NAME is a host name or an address under which devices reach this host, besides those
# that `hostname` tells. The private authority that signs, mqtt_ca, is made the first time only: every device holds it. The
# files are written in place, which a container sees: docker compose kill --signal HUP broker
set -eu

folder=${1:-$(dirname "$0")/secrets}
[ $# -eq 0 ] || shift
command -v openssl >/dev/null || { echo "openssl is missing, which makes certificates: install it." >&2; exit 1; }
if [ -e "$folder/mqtt_ca" ] && [ ! -e "$folder/mqtt_ca_key" ]; then
    echo "$folder/mqtt_ca_key is lost, and devices trust no other authority: put it back from a copy. Or remove mqtt_ca" >&2
    echo "for a new authority, and give that one to every device." >&2
    exit 1
fi
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

names=DNS:broker,DNS:localhost,IP:127.0.0.1
for name in $(hostname) $(hostname -I 2>/dev/null || true) "$@"; do
    case $name in
        *:*) names=$names,IP:$name ;;
        *[!0-9.]*) names=$names,DNS:$name ;;
        *) names=$names,IP:$name ;;
    esac
done
cat >"$work/openssl.cnf" <<END
[req]
distinguished_name = subject
prompt = no
[subject]
CN = Anju MQTT
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = $names
END

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }
number() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

if [ ! -e "$folder/mqtt_ca" ]; then
    key "$folder/mqtt_ca_key"
    openssl req -new -x509 -config "$work/openssl.cnf" -extensions authority -key "$folder/mqtt_ca_key" \
        -subj "/CN=Anju private CA $(number 4)" -days 10950 -out "$folder/mqtt_ca"
fi
key "$work/key"
openssl req -new -config "$work/openssl.cnf" -key "$work/key" -out "$work/request"
openssl x509 -req -in "$work/request" -CA "$folder/mqtt_ca" -CAkey "$folder/mqtt_ca_key" -set_serial "0x7$(number 15)" \
    -days 3650 -sha256 -extfile "$work/openssl.cnf" -extensions server -out "$work/certificate" 2>/dev/null
for name in certificate key; do
    [ ! -e "$folder/mqtt_$name" ] || chmod u+w "$folder/mqtt_$name"
    cat "$work/$name" >"$folder/mqtt_$name"
done
chmod 444 "$folder/mqtt_ca" "$folder/mqtt_certificate" "$folder/mqtt_key"
chmod 400 "$folder/mqtt_ca_key"
