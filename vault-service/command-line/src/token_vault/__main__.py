"""`python -m token_vault`."""

from token_vault.app import main

main()
