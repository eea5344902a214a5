"""How a deployed function starts and answers pushes: what a main.py is made of."""
