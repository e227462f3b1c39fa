// node-oidc-provider, a certified OpenID provider, as two servers in one process: PORTS="ROTATING CONSTANT".
//
// The first rotates refresh tokens at each use, the second never does. Both know one client, CLIENT_ID, with
// CLIENT_SECRET and REDIRECT_URIS, and accept any login with any password. `GET /last-refresh-token` is for tests: it
// tells the refresh token that was issued last, as a thief would know it.
import { Provider } from "oidc-provider";

const [rotating, constant] = process.env.PORTS.split(" ");

function serve(port, rotates) {
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [
      {
        client_id: process.env.CLIENT_ID,
        client_secret: process.env.CLIENT_SECRET,
        redirect_uris: process.env.REDIRECT_URIS.split(" "),
        grant_types: ["authorization_code", "refresh_token"],
      },
    ],
    cookies: { keys: [process.env.CLIENT_SECRET] },
    features: { revocation: { enabled: true } },
    findAccount: (context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    rotateRefreshToken: rotates,
    scopes: ["openid", "offline_access", "read"],
    ttl: { AccessToken: 300, Grant: 86400, IdToken: 300, Interaction: 600, RefreshToken: 86400, Session: 86400 },
  });
  let last = "";
  provider.on("refresh_token.saved", (token) => {
    last = token.jti;
  });
  provider.use((context, next) => {
    if (context.path !== "/last-refresh-token") return next();
    context.body = last;
  });
  return new Promise((resolve) => provider.listen(port, "127.0.0.1", resolve));
}

await Promise.all([serve(rotating, true), serve(constant, false)]);
console.log("ready");
