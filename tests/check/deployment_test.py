"""Checks that the ways to deploy the server agree with each other, with the image and its flags."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "scripts" / "deploy"


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    assert match, f"nothing matches {pattern}"
    return match[1]


class Deployment(unittest.TestCase):
    """Each file by its text, since Python reads no YAML by itself."""

    def setUp(self) -> None:
        self.image = (ROOT / "Dockerfile").read_text()
        self.compose = (ROOT / "compose.yaml").read_text()
        self.kubernetes = (DEPLOY / "kubernetes.yaml").read_text()
        self.readme = (ROOT / "README.md").read_text()

    def test_nothing_is_killed_that_drains(self) -> None:
        grace = int(found(r"terminationGracePeriodSeconds: (\d+)", self.kubernetes))
        delay = int(found(r"--drain-delay=(\d+)s", self.kubernetes))
        drain = int(found(r"--drain-timeout=(\d+)s", self.kubernetes))
        self.assertGreater(grace, delay + drain)
        default = int(found(r"^\| `--drain-timeout` \| `(\d+)s`", self.readme))
        self.assertGreater(int(found(r"stop_grace_period: (\d+)s", self.compose)), default)

    def test_ports(self) -> None:
        port = found(r"^EXPOSE (\d+)", self.image)
        self.assertIn(f"containerPort: {port}\n", self.kubernetes)
        self.assertIn(f":{port}\"", self.compose)
        admin = found(r"--admin=0\.0\.0\.0:(\d+)", self.kubernetes)
        self.assertIn(f"containerPort: {admin}\n", self.kubernetes)
        self.assertIn(f"prometheus.io/port: \"{admin}\"", self.kubernetes)

    def test_the_user_is_that_of_the_image(self) -> None:
        user = found(r"^USER (\d+):", self.image)
        for name in ("runAsUser", "runAsGroup"):
            self.assertEqual(found(rf"{name}: (\d+)", self.kubernetes), user)

    def test_the_profile_is_where_it_is_looked_for(self) -> None:
        path = found(r"localhostProfile: (\S+)", self.kubernetes)
        self.assertIn(f"/var/lib/kubelet/seccomp/{path} ", self.kubernetes)
        self.assertTrue((ROOT / found(r"seccomp=(\S+)", self.compose)).is_file())

    def test_the_health_check_is_that_of_the_image(self) -> None:
        self.assertEqual(found(r'test: \["CMD", (.*)\]$', self.compose),
                         found(r"^    CMD \[(.*)\]$", self.image))

    def test_the_engine_is_sent_what_the_image_copies(self) -> None:
        sent = set(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
        copied = {source for line in re.findall(r"^COPY (?!--from)(.*)$", self.image, re.MULTILINE)
                  for source in line.split()[:-1]}
        self.assertEqual(sent, copied)
        for name in copied:
            self.assertTrue((ROOT / name).exists(), name)

    def test_flags_exist(self) -> None:
        flags = set(re.findall(r"^ +- (--[a-z-]+)=", self.kubernetes, re.MULTILINE))
        variables = re.findall(r"^ +ENDURING_([A-Z_]+):", self.compose, re.MULTILINE)
        flags |= {"--" + name.lower().replace("_", "-") for name in variables}
        self.assertGreaterEqual(len(flags), 4)
        for flag in flags:
            self.assertIn(f"`{flag}`", self.readme)


if __name__ == "__main__":
    unittest.main()
