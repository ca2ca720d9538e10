#!/bin/sh
# Asks TensorFlow Serving by REST, with curl.
#
#   sh curl.sh status                    which versions are loaded
#   sh curl.sh sample 7 0                draws an example; the seed is two integers
#   sh curl.sh decode '[0.5, -1.0]'      the code of an example, of latent_dim numbers
#   sh curl.sh encode < example.json     an example, as decode prints it
#   sh curl.sh encode_bytes three.png    an image file, PNG or JPEG
#
# SERVER is where it is. VERSION is which version answers: the one that models.config calls
# stable, or "/versions/2", or "" for the newest.
set -eu

SERVER=${SERVER:-http://localhost:8501}
VERSION=${VERSION-/labels/stable}

# --fail-with-body: a refusal is a failure, and still says why. It came with curl 7.76.
ask() {
  curl --fail-with-body --silent --show-error --max-time 10 "$@"
}

# The body comes by standard input, as a file is longer than an argument may be.
predict() {
  ask --header 'Content-Type: application/json' --data-binary @- \
    "$SERVER/v1/models/$1$VERSION:predict"
}

# Each body holds a batch of one: the outer brackets are the batch.
case "${1-}" in
  status)
    ask "$SERVER/v1/models/encoder" "$SERVER/v1/models/decoder"
    ;;
  sample)
    echo "{\"signature_name\": \"sample\", \"inputs\": {\"seed\": [[$2, $3]]}}" |
      predict decoder
    ;;
  decode)
    echo "{\"signature_name\": \"decode\", \"inputs\": {\"z\": [$2]}}" |
      predict decoder
    ;;
  encode)
    { echo '{"signature_name": "encode", "inputs": {"x": ['; cat; echo ']}}'; } |
      predict encoder
    ;;
  encode_bytes)
    # Bytes go as base64. Some versions of base64 break it into lines, which JSON forbids.
    {
      echo '{"signature_name": "encode_bytes", "inputs": {"image_bytes": [{"b64": "'
      base64 < "$2"
      echo '"}]}}'
    } | tr -d '\n' | predict encoder
    ;;
  *)
    sed -n 's/^#   //p' "$0" >&2
    exit 2
    ;;
esac
