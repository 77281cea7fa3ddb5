#!/usr/bin/env bash
# Runs the README's transcripts and its Python snippet, and compares what comes out.
set -euo pipefail
cd "$(dirname "$0")/../.."
Tests/Python/make-environment.sh
python3 Tests/CommandLine/readme.py
