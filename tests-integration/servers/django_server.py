"""django-oauth-toolkit as an authorization server: a Django project in one file, for tests-integration/test_servers.py.

Environment: PORT, CLIENT_ID, CLIENT_SECRET, REDIRECT_URIS, DATABASE (an SQLite file), ROTATES ("1": each refresh token
is used once). Its people are alice and bob, whose passwords are their names. `GET /last-refresh-token` is for tests: it
tells the refresh token that was issued last, as a thief would know it.
"""

import os
import secrets

import django
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from django.core.management import call_command
from django.core.servers.basehttp import run
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

_LOGIN = '<form method="post">{% csrf_token %}{{ form }}<button>Log in</button></form>'
_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DATABASE"]}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        *("django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider"),
    ],
    LOGIN_URL="/login/",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    OAUTH2_PROVIDER={
        "ACCESS_TOKEN_EXPIRE_SECONDS": 300,
        "OIDC_ENABLED": True,
        "OIDC_RSA_PRIVATE_KEY": _KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "REFRESH_TOKEN_REUSE_PROTECTION": True,
        "ROTATE_REFRESH_TOKEN": os.environ["ROTATES"] == "1",
        "SCOPES": {"openid": "Who you are", "read": "Read"},
    },
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_urlsafe(),
    SESSION_COOKIE_NAME=f"session{os.environ['PORT']}",
    CSRF_COOKIE_NAME=f"csrf{os.environ['PORT']}",
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [
                    ("django.template.loaders.locmem.Loader", {"login.html": _LOGIN}),
                    "django.template.loaders.app_directories.Loader",
                ]
            },
        }
    ],
    USE_TZ=True,
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402 - models can be imported only after setup()
from django.contrib.auth.views import LoginView  # noqa: E402 - after setup(), too
from oauth2_provider.models import Application, RefreshToken  # noqa: E402 - after setup(), too


def last_refresh_token(_: HttpRequest) -> HttpResponse:
    """The refresh token that was issued last."""
    return HttpResponse(RefreshToken.objects.latest("id").token)


urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("login/", LoginView.as_view(template_name="login.html")),
    path("last-refresh-token", last_refresh_token),
]


def main() -> None:
    """Make the database, its people and the client; serve."""
    call_command("migrate", verbosity=0)
    for name in ("alice", "bob"):
        User.objects.create_user(name, password=name)
    Application.objects.create(
        client_id=os.environ["CLIENT_ID"],
        client_secret=os.environ["CLIENT_SECRET"],
        redirect_uris=os.environ["REDIRECT_URIS"],
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        algorithm=Application.RS256_ALGORITHM,
    )
    run("127.0.0.1", int(os.environ["PORT"]), get_wsgi_application(), threading=True)


if __name__ == "__main__":
    main()
