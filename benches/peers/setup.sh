#!/bin/sh
# Makes the virtual environment that the peers run in: benches/peers/.venv, which git ignores.
set -e
cd "$(dirname "$0")"
python3 -m venv .venv
.venv/bin/pip install --quiet torch==2.15.0 numpy
.venv/bin/python -c "import torch; print('torch', torch.__version__)"
