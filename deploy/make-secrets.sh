#!/bin/sh
# Make every secret that docker-compose.yml asks for, once: sh deploy/make-secrets.sh [FOLDER [NAME...]]
#
# Where the folder is there already, only the secrets that a newer version needs are added; none is ever changed.
#
# FOLDER is deploy/secrets by default. Only its owner may enter it. The files inside are readable for everybody all the
# same, because Docker shows each of them, and no other, to the unprivileged user of the container that needs it. Each NAME is one more
# host name or address under which devices reach this host, for the certificate of the broker.
set -eu

folder=${1:-$(dirname "$0")/secrets}
[ $# -eq 0 ] || shift
# 256 bits from the kernel, as hexadecimal: safe in a URL, in a quoted word and on a keyboard.
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

# A key of NATS for the door. Its two halves are an Ed25519 key in base 32, with a prefix and a checksum
# (CRC-16/XMODEM), as nsc and nk write them.
nkey() {
    hex=$1 crc=0 rest=$1
    while [ -n "$rest" ]; do
        crc=$((crc ^ 0x${rest%"${rest#??}"} << 8)) rest=${rest#??} bit=0
        while [ $bit -lt 8 ]; do
            crc=$(((crc << 1 ^ (crc >> 15) * 0x1021) & 0xffff)) bit=$((bit + 1))
        done
    done
    hex=$hex$(printf '%02x%02x' $((crc & 255)) $((crc >> 8)))
    text='' length=$(((${#hex} * 4 + 4) / 5)) rest=${hex}0000
    while [ ${#text} -lt $length ]; do
        five=${rest%"${rest#?????}"} rest=${rest#?????}
        for shift in 15 10 5 0; do
            tail=$(printf '%s' ABCDEFGHIJKLMNOPQRSTUVWXYZ234567 | cut -c $(((0x$five >> shift & 31) + 1)))
            text=$text$tail
        done
    done
    printf '%s' "$text" | cut -c "1-$length"
}
half() { openssl pkey -in "$new/key" "$@" -outform DER | od -An -v -tx1 | tr -d ' \n' | tail -c 64; }

# A URL of the database for each role of its own.
put_database_urls() {
    for part in owner ingest api worker door operator; do
        put "${part}_database_url" "postgresql://anju_$part:$(random)@database:5432/anju"
    done
    put grafana_database_url "postgresql://anju_grafana:$1@database:5432/anju"
}

put_read_url() { put anju_read_mqtt_url "mqtts://reader:$1@broker:8883?ca=/run/secrets/mqtt_ca"; }

umask 077
new=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$new"' EXIT
put() { printf '%s\n' "$2" >"$new/$1"; }

if [ -e "$folder" ]; then
    if [ ! -e "$folder/owner_database_url" ]; then
        put_database_urls "$(cat "$folder/grafana_database_password")"
        put anju_secret_key_old ""
    fi
    if [ ! -e "$folder/anju_read_mqtt_url" ] && [ -e "$folder/nats_accounts" ]; then
        put_read_url "$(sed -n 's/^READER_PASSWORD: "\(.*\)"$/\1/p' "$folder/nats_accounts")"
    fi
    if [ -z "$(ls "$new")" ]; then
        echo "$folder is there already, and the database keeps the passwords it was made with: nothing was changed." >&2
        echo "docs/deploy.md says how to change a single secret." >&2
        exit 1
    fi
    chmod 444 "$new"/*
    echo "Added to $folder, with nothing else changed:" $(ls "$new")
    mv -n "$new"/* "$folder"
    exit 0
fi

command -v openssl >/dev/null || { echo "openssl is missing, which makes the key of the door: install it." >&2; exit 1; }
database=$(random)
ingest=$(random)
publisher=$(random)
reader=$(random)
door=$(random)
openssl genpkey -algorithm ed25519 -out "$new/key"
seed=$(nkey "9000$(half)")
issuer=$(nkey "00$(half -pubout)")
rm "$new/key"

grafana=$(random)

put postgres_password "$database"
# The superuser, which makes the roles of the parts and does nothing else.
put anju_database_url "postgresql://anju:$database@database:5432/anju"
put anju_mqtt_url "mqtts://ingest:$ingest@broker:8883?ca=/run/secrets/mqtt_ca"
put anju_publish_mqtt_url "mqtts://publisher:$publisher@broker:8883?ca=/run/secrets/mqtt_ca"
put_read_url "$reader"
put anju_door_url "nats://door:$door@broker:4222"
put anju_door_seed "$seed"
put anju_api_key "$(random)"
put anju_secret_key "$(random)"
put anju_secret_key_old ""
put grafana_admin_password "$(random)"
put grafana_database_password "$grafana"
put_database_urls "$grafana"
put nats_accounts "INGEST_PASSWORD: \"$ingest\"
DOOR_PASSWORD: \"$door\"
DOOR_ISSUER: \"$issuer\"
READER_PASSWORD: \"$reader\"
STORE_KEY: \"$(random)\""

chmod 444 "$new"/*
sh "$(dirname "$0")/make-certificate.sh" "$new" "$@"
mv "$new" "$folder"
trap - EXIT

# The contacts of alerts hold secret addresses too, and are edited in place: a folder of its own, closed to other users.
notify=$(dirname "$folder")/notify
mkdir -p "$notify/live"
chmod 700 "$notify"
chmod 755 "$notify/live"
if [ ! -e "$notify/live/notify.yaml" ]; then
    printf '%s\n' "# Who is told of which alerts: docs/notifications.md." >"$notify/live/notify.yaml"
    chmod 644 "$notify/live/notify.yaml"
fi
echo "Secrets are in $folder. Keep a copy in a safe place: the database and the broker's store open with nothing else."
