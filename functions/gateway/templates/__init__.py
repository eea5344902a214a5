"""Publishing, reading and trying out templates: /v1/templates. What is made of them is in `rendering/`."""
