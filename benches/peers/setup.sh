#!/bin/sh
# Makes the virtual environment that the peers run in: benches/peers/.venv, which git ignores, with a checkout of Mammoth.
set -e
cd "$(dirname "$0")"
python3 -m venv .venv
.venv/bin/pip install --quiet torch==2.15.0 numpy avalanche-lib==0.6.0 bm25s==0.3.16 numba==0.68.1 py-irt==0.7.1
git clone --quiet "${MAMMOTH_SOURCE:-https://github.com/aimagelab/mammoth}" .venv/mammoth
git -C .venv/mammoth checkout --quiet e75a491c69fd729edeb01431afb753d9157d9a81
.venv/bin/python -c "import torch; print('torch', torch.__version__)"
