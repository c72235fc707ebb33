"""FastAPI behind uvicorn: a plain ``def`` endpoint, which runs in FastAPI's pool of threads, and an uploaded file."""

import threading

import uvicorn
from fastapi import FastAPI, UploadFile
from peer_network import HOST, PORT, WORKERS, load, read

app = FastAPI()
if __name__ != "__main__":  # in the workers, not in the process that minds them
    network = load()
turn = threading.Lock()


@app.post("/classify")
def classify(file: UploadFile) -> list[float]:
    """The probabilities of one picture."""
    picture = read(file.file.read())
    with turn:  # the network has threads of its own
        return network([picture])[0]


if __name__ == "__main__":
    uvicorn.run("serve_fastapi:app", host=HOST, port=PORT, workers=WORKERS, log_level="warning")
