"""Bearer access tokens and ID tokens, and the keys of their issuers."""
