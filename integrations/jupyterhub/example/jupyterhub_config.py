"""A hub for one machine, beside the local stack: sign in as alice or bob, open `first.ipynb`. `make demo-jupyterhub`.

People sign in at the stack's authorization server, and their servers run as this user: for a demonstration, not for
people who do not trust each other.
"""

import os
import shutil
import sys
from pathlib import Path

from jupyterhub_token_vault.authenticator import TokenVaultOAuthenticator
from jupyterhub_token_vault.configure import configure

c = get_config()  # noqa: F821 - JupyterHub defines it
here = Path(__file__).parent
state = Path(os.environ["HUB_STATE_DIR"]).resolve()
port = int(os.environ["HUB_PORT"])
issuer = os.environ["ISSUER"]
oidc = f"{issuer}/protocol/openid-connect"
secret_file = state / "client_secret"
programs = Path(sys.executable).parent
hub_url = f"http://127.0.0.1:{port}"

# Three more ports, next to the hub's own: the hub's API, the proxy's API, the token vault's service.
c.JupyterHub.bind_url = hub_url
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{port + 1}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{port + 2}"
c.ConfigurableHTTPProxy.command = [str(programs / "configurable-http-proxy")]
c.ConfigurableHTTPProxy.pid_file = str(state / "proxy.pid")
c.JupyterHub.db_url = f"sqlite:///{state}/hub.sqlite"
c.JupyterHub.cookie_secret_file = str(state / "cookie_secret")
c.JupyterHub.cleanup_servers = False  # notebooks outlive a restart of the hub

# The login. `jupyterhub_token_vault` keeps its tokens out of the hub's state.
c.JupyterHub.authenticator_class = TokenVaultOAuthenticator
c.Authenticator.enable_auth_state = True
c.Authenticator.allow_all = True
c.GenericOAuthenticator.client_id = "jupyterhub"
c.GenericOAuthenticator.client_secret = secret_file.read_text(encoding="utf-8")
c.GenericOAuthenticator.oauth_callback_url = f"{hub_url}/hub/oauth_callback"
c.GenericOAuthenticator.authorize_url = f"{oidc}/auth"
c.GenericOAuthenticator.token_url = f"{oidc}/token"
c.GenericOAuthenticator.userdata_url = f"{oidc}/userinfo"
c.GenericOAuthenticator.scope = ["openid", "profile", "email"]
c.GenericOAuthenticator.username_claim = "preferred_username"
c.GenericOAuthenticator.login_service = "the development server"


# Servers are processes of this user, each in a folder of its own.
def copy_notebooks(spawner):
    """Lay the example's notebooks into a new person's folder."""
    home = state / "home" / spawner.user.name
    home.mkdir(parents=True, exist_ok=True)
    for notebook in here.glob("*.ipynb"):
        if not (home / notebook.name).exists():
            shutil.copy(notebook, home)


c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = str(state / "home" / "{username}")
c.Spawner.cmd = [str(programs / "jupyterhub-singleuser")]
c.Spawner.args = ["--allow-root"] if os.geteuid() == 0 else []
c.Spawner.environment = {
    "API_URL": f"{oidc}/userinfo",
    "JUPYTER_CONFIG_PATH": str(here / "jupyter"),  # switches JupyterLab's question about news off
}
c.Spawner.pre_spawn_hook = copy_notebooks

if "HUB_TEST_TOKEN" in os.environ:  # for tests: an API token that may open servers and read the state of logins
    c.JupyterHub.services = [{"name": "test", "api_token": os.environ["HUB_TEST_TOKEN"]}]
    scopes = ["admin:servers", "access:servers", "admin:auth_state", "admin:users"]
    c.JupyterHub.load_roles = [{"name": "test", "scopes": scopes, "services": ["test"]}]

configure(
    c,
    vault_url=os.environ["VAULT_URL"],
    issuer=issuer,
    client_id="jupyterhub",
    client_secret_file=str(secret_file),
    hub_url=hub_url,
    port=port + 3,
    return_to=f"{os.environ['GATEWAY_URL']}/tasks",  # all that the stack lists; a hub of its own has a page for this
)
