"""`python -m hark_client.cli`"""

from hark_client.cli import main

main()
