#!/usr/bin/env bash
# What:      numkong.dots_pack names 'u1' among its types in a list where 'i8' and 'f32' count bits, but reads those of whole numbers as NumPy
#            does, where the digit counts bytes. dtype="u1" packs uint8 without a word, and the products are those of bytes, where
#            those of bits were meant. Of the same list 'u8', 'i8', 'u4' and 'i4' are refused with a message about other types,
#            while 'f16' and 'f32' count bits as the list says. "uint1" packs bits.
# Seen in:   numkong 7.8.6, numpy 2.4.6, Python 3.11, Linux.
# Guessed:   'u1' packs bits, as 'uint1' does and as the default of hammings_pack is called.
# Hurts:     searches by one bit a number: scores come without an error, are of another size, and rank otherwise.
# So:        polyreel writes "uint1" and NumPy's own types, and its tests reckon the same products from unpacked bits.
# Runs:      bash findings/numkong-u1-is-a-byte.sh; exit code 0 while the behaviour is as described.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "numkong==7.8.6" "numpy==2.4.6"
cat >"$work/pack.py" <<'PYTHON'
import numkong
import numpy as np

assert "'u8'" in numkong.dots_pack.__doc__ and "'u1'" in numkong.dots_pack.__doc__, "the list has changed"
rng = np.random.default_rng(0)
rows, queries = (rng.integers(0, 256, (count, 8), dtype=np.uint8) for count in (4, 3))
of_bits = np.bitwise_count(queries[:, None] & rows[None]).sum(axis=-1)
of_bytes = queries.astype(int) @ rows.astype(int).T
for name in ("u1", "uint1"):
    found = np.asarray(numkong.dots_packed(queries, numkong.dots_pack(rows, dtype=name)))
    print(f"{name}:", "bits" if (found == of_bits).all() else "bytes" if (found == of_bytes).all() else "neither")
for name, array in (("u8", rows), ("i8", rows.view(np.int8))):
    try:
        numkong.dots_pack(array, dtype=name)
        print(f"{name}: packed")
    except TypeError:
        print(f"{name}: refused")
for name in ("f16", "f32"):
    print(f"{name}:", numkong.dots_pack(np.ones((4, 8), np.dtype(f"float{name[1:]}")), dtype=name).dtype)
PYTHON
said=$("$work/venv/bin/python" "$work/pack.py" 2>"$work/log") || { cat "$work/log" >&2; exit 1; }
echo "$said"
if [[ "$said" != "u1: bytes
uint1: bits
u8: refused
i8: refused
f16: float16
f32: float32" ]]; then
  echo "the behaviour has changed" >&2
  exit 1
fi
