#!/bin/bash
# Whether a node answers 200: ready.sh HOST PORT PATH. With nothing but bash, which images have.
set -u
exec 3<>"/dev/tcp/$1/$2" || exit 1
printf 'GET %s HTTP/1.0\r\nHost: %s\r\n\r\n' "$3" "$1" >&3
read -r _ status _ <&3
[ "$status" = 200 ]
