"""What a Python team would write without Hark: FastAPI and a queue on Redis, with the sending in a worker."""
