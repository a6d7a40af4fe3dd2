# Certificates for tests, made by the command openssl in a folder of the test.
# SPDX-License-Identifier: Apache-2.0
"""One object is one folder of files NAME.key, NAME.pem; a chain is NAME.chain.pem."""
import pathlib
import subprocess

CONFIG = """[ca]
default_ca = usual
[usual]
database = {folder}/index.txt
default_md = sha256
"""


class Pki:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.serial = 1000

    def run(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, stdin=subprocess.DEVNULL,
                       capture_output=True, cwd=self.folder)

    def path(self, name):
        return self.folder / name

    def key(self, name, algorithm="EC"):
        option = "ec_paramgen_curve:P-256" if algorithm == "EC" else "rsa_keygen_bits:2048"
        self.run("genpkey", "-algorithm", algorithm, "-pkeyopt", option, "-out", f"{name}.key")
        self.path(f"{name}.key").chmod(0o600)

    def certificate(self, name, issuer=None, cn=None, days=400, extensions="", digest="sha256",
                    algorithm="EC"):
        """NAME.pem with that common name; signed by itself without an issuer. Returns its serial."""
        self.serial += 1
        self.key(name, algorithm)
        subject = f"/O=City/CN={name if cn is None else cn}"
        self.path("extensions").write_text(extensions or "basicConstraints=CA:FALSE\n")
        self.run("req", "-new", "-key", f"{name}.key", "-subj", subject, "-out", "request")
        signer = ["-signkey", f"{name}.key"] if issuer is None else [
            "-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-set_serial", str(self.serial)]
        self.run("x509", "-req", "-in", "request", *signer, "-days", str(days), f"-{digest}",
                 "-extfile", "extensions", "-out", f"{name}.pem")
        return self.serial

    def authority(self, name, issuer=None):
        return self.certificate(name, issuer, extensions="basicConstraints=critical,CA:TRUE\n"
                                "keyUsage=critical,keyCertSign,cRLSign\n"
                                "subjectKeyIdentifier=hash\n")

    def chain(self, name, *issuers):
        """NAME.chain.pem: NAME.pem and those above it."""
        path = self.path(f"{name}.chain.pem")
        path.write_text("".join(self.path(f"{each}.pem").read_text() for each in (name, *issuers)))
        return path

    def crl(self, issuer, revoked=(), days=30):
        """ISSUER.crl with these serials."""
        self.path("index.txt").write_text("".join(
            f"R\t400101000000Z\t260101000000Z\t{serial:04X}\tunknown\t/CN=gone\n"
            for serial in revoked))
        self.path("ca.cnf").write_text(CONFIG.format(folder=self.folder))
        lifetime = ["-crldays", str(days)] if days > 0 else ["-crlsec", "1"]
        self.run("ca", "-config", "ca.cnf", "-gencrl", *lifetime, "-keyfile", f"{issuer}.key",
                 "-cert", f"{issuer}.pem", "-out", f"{issuer}.crl")
        return self.path(f"{issuer}.crl")
