"""How a delivery is sent, and what comes back: messages to the functions, the pipeline, providers, receipts."""
