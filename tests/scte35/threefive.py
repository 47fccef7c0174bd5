"""Reads sections as lines of hexadecimal digits, writes what threefive says of each as a line of JSON.

Runs with the Python of the environment that tests/setup makes; threefive is no part of Vedette.
"""

import contextlib
import io
import json
import sys

from threefive import Cue

for line in sys.stdin:
    said = {"error": "not decoded"}
    # What it prints would stand between the answers.
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            cue = Cue(bytes.fromhex(line))
            if cue.decode():
                said = cue.get()
        except Exception as error:  # whatever it raises is its answer
            said = {"error": type(error).__name__}
    print(json.dumps(said), flush=True)
