"""MLflow's own answers behind limits: python -m serving.guard --help.

One process takes requests, and bounds how long a header, a body, an answer and an idle connection may take, how large
they are and how many there are (`protocol`, `app`). Others, the workers, each hold the model and answer one request at
a time, with a bound on its memory and its time (`worker`, `pool`): what takes too long is ended with its process.
"""
