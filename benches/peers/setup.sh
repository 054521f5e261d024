#!/bin/sh
# Makes the virtual environment that the peers run in: benches/peers/.venv, which git ignores, with a checkout of Mammoth where it can be had.
set -e
cd "$(dirname "$0")"
python3 -m venv .venv
.venv/bin/pip install --quiet --requirement requirements.txt
# modAL and scikit-activeml need different versions of scikit-learn, and neither needs torch.
python3 -m venv .venv/modal
.venv/modal/bin/pip install --quiet modAL-python==0.4.2.1 scikit-learn==1.5.2
python3 -m venv .venv/skactiveml
.venv/skactiveml/bin/pip install --quiet scikit-activeml==1.0.1 scikit-learn==1.9.1
if [ ! -d .venv/mammoth ]; then
    git clone --quiet "${MAMMOTH_SOURCE:-https://github.com/aimagelab/mammoth}" .venv/mammoth &&
        git -C .venv/mammoth checkout --quiet e75a491c69fd729edeb01431afb753d9157d9a81 ||
        echo "no checkout of Mammoth: it is left out" >&2
fi
.venv/bin/python -c "import torch; print('torch', torch.__version__)"
cp requirements.txt .venv/requirements.txt
