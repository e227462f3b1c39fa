"""`python -m vault_service.cli`."""

import sys

from vault_service.cli import main

sys.exit(main())
