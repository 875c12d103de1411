"""Install packages at exact versions, from a signed repository that is proven before anything on the host changes."""

DOCUMENTATION = """
module: ionman_packages
short_description: Packages at the versions that are asked for, from a repository that is proven first
description:
  - Files (source, keyring, pinning) are tried in a folder of their own; only when apt accepts the repository they land.
  - An unsigned, altered, expired or unreachable repository fails the task and leaves the host as it was.
  - Only our source is updated. The other sources of the host are updated once when a dependency cannot be found.
options:
  packages:
    description: "What to install: names, any installed version of which is right, or C({name, version}); the version
      with or without Debian's revision."
    type: list
    elements: raw
    default: []
  tools:
    description: Packages of the repository that follow the one version that it has.
    type: list
    elements: str
    default: []
  files:
    description: What makes apt know the repository, by path; the one that ends in .sources is the source.
    type: dict
    default: {}
  keep:
    description: Installed releases of an application that stay, besides those in use; 0 leaves all.
    type: int
    default: 0
  lock_timeout:
    description: Seconds to wait for another apt or dpkg.
    type: int
    default: 120
"""

import re
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.ionman_apt import SHORT, STRICT, Host, Repository, parts
from ansible.module_utils.ionman_files import Wanted
from ansible.module_utils.ionman_words import complaints, fits, refusal, sentence

PUBLISH = "Correct the version in the inventory, or build and publish that release: playbooks deb and repo."


def lacking(host, what):
    """Fail for what the repository lacks; in check mode the plays before this one may only have said they would."""
    if not host.module.check_mode:
        host.fail(what, PUBLISH)
    host.module.warn(f"{what}: a deploy has to build and publish it first.")


def resolve(host, wanted, installed, offers, url):
    """[package=version] for apt; fails for a package or version that the repository should have and has not."""
    arguments = []
    for name, version in wanted:
        versions = offers.get(name)
        if versions is None:
            if parts(name)[1] and offers:
                like = sorted(other for other in offers if parts(other)[0] == parts(name)[0])
                lacking(
                    host, f"{url} has no package {name} (of this application it has: {', '.join(like) or 'nothing'})"
                )
            arguments.append(f"{name}={version}" if version else name)
            continue
        right = [one for one in versions if fits(version, one)]
        if not right:
            host.fail(f"{url} has no version {version} of {name} (it has: {', '.join(versions)})", PUBLISH)
        if installed.get(name) != right[0]:
            arguments.append(f"{name}={right[0]}")
    return arguments


def obsolete(host, installed, names, keep):
    """The releases of our applications beyond the last `keep` that nothing uses and nobody asks for by `names`."""
    ours = {}
    for package in installed:
        app, release = parts(package)
        if release and (package in names or Path("/opt", app, release, "build.json").exists()):
            ours.setdefault(app, []).append(package)
    found = []
    for members in ours.values():
        members.sort(key=lambda package: _order(parts(package)[1]), reverse=True)
        found += [package for package in members[keep:] if package not in names and not host.in_use(package)]
    return sorted(found) if keep else []


def _order(release):
    """Newest last; a release candidate before its release."""
    return [(0, int(part), "") if part.isdigit() else (-1, 0, part) for part in re.findall(r"\d+|[a-z]+", release)] + [
        (0, -1, "")
    ]


def install(host, arguments, timeout):
    """Fetch everything, then unpack: what is altered on the way is refused before dpkg begins.

    Returns apt's output when it refuses, with nothing installed.
    """
    common = ["apt-get", "-y", "--no-install-recommends", "--allow-downgrades", "--no-remove", *SHORT]
    common += ["-o", f"DPkg::Lock::Timeout={timeout}", "-o", "Dpkg::Options::=--force-confold", "install"]
    status, text = host.run(*common, "--simulate", *arguments)
    if status:  # perhaps a dependency of Debian's that this host has no list of yet
        updated, update = host.run("apt-get", *SHORT, *STRICT, "update")
        status, again = host.run(*common, "--simulate", *arguments)
        text = again + (update if updated else "")
    if not status:
        status, text = host.run(*common, "--download-only", *arguments)
    if status:
        return text
    status, text = host.run(*common, *arguments)
    if status:
        host.module.fail_json(
            msg=f"apt could not install {', '.join(arguments)}. Put this right and deploy again: that finishes it.\n"
            + ("\n".join(complaints(text)) or text[-800:])
        )
    return None


def converge(host, files, wanted, installed, url):
    """Prove the repository, let its files land, install; put everything back when apt refuses a package.

    Returns what apt installs (or would), as package=version.
    """
    module, timeout = host.module, host.module.params["lock_timeout"]
    repository = Repository(host, {str(file.path): file.content.decode() for file in files}, timeout) if files else None
    try:
        refused = repository.try_out() if repository else None
        if refused and module.check_mode and refused[0] == "unreachable":
            module.warn(f"The repository {url} cannot be reached, so nothing of it is proven.")
            return resolve(host, wanted, installed, {}, url)
        if refused:
            host.fail(f"The repository {url} is {refused[0]}", sentence(refused[1]), refused[2])
        arguments = resolve(host, wanted, installed, repository.offers() if repository else {}, url)
        differing = [file for file in files if file.difference()]
        if (arguments or differing) and not module.check_mode:
            land(host, repository, differing, arguments)
        return arguments
    finally:
        if repository:
            repository.close()


def land(host, repository, files, arguments):
    """Let the files and lists land, then install; put them back when apt refuses a package."""
    before = {file.path: file.current() for file in files}
    for file in files:
        file.land()
    lists = repository.land_lists() if repository else {}
    trouble = install(host, arguments, host.module.params["lock_timeout"]) if arguments else None
    if trouble is not None:
        for file in files:
            file.restore(before[file.path])
        for path, content in lists.items():
            Wanted(path, b"").restore(content)
        host.fail(f"apt refuses {', '.join(arguments)}", sentence(refusal(trouble)[1]), trouble)


def read_packages(module):
    """[(name, version)] of the option `packages`; no version: any."""
    found = []
    for package in module.params["packages"]:
        fields = package if isinstance(package, dict) else {"name": str(package)}
        if not fields.get("name") or set(fields) - {"name", "version"}:
            module.fail_json(msg=f"{package!r} is no package: write a name, or {{name: NAME, version: VERSION}}")
        found.append((str(fields["name"]), str(fields.get("version") or "")))
    return found


def main():
    """Compare, then act."""
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "raw", "default": []},
            "tools": {"type": "list", "elements": "str", "default": []},
            "files": {"type": "dict", "default": {}},
            "keep": {"type": "int", "default": 0},
            "lock_timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    host = Host(module)
    tools = [(name, "") for name in module.params["tools"]]
    packages = read_packages(module)
    files = [Wanted(path, text.encode()) for path, text in module.params["files"].items()]
    if not module.check_mode:
        host.alone(module.params["lock_timeout"])
    interrupted = host.interrupted()
    if interrupted and not module.check_mode:
        host.finish()
    installed = host.installed()
    missing = [(name, version) for name, version in packages if not fits(version, installed.get(name))]
    diff = [difference for file in files if (difference := file.difference())]
    keyless = [file.path for file in files if not file.content.strip()]
    arguments = [name for name, _ in missing]
    if keyless and not module.check_mode:
        host.fail(f"{keyless[0]} would be empty", "Run playbooks/repo.yml first: it makes key and CA.")
    if keyless:
        module.warn("The repository has no key or CA yet, so it was not asked: a deploy makes them.")
    elif missing or tools or diff:
        url = " ".join(re.findall(r"^URIs: *(\S+)", "\n".join(module.params["files"].values()), re.MULTILINE))
        arguments = converge(host, files, missing + tools, installed, url)
    asked = dict(argument.partition("=")[::2] for argument in arguments)
    old = obsolete(host, {**installed, **asked}, {name for name, _ in packages}, module.params["keep"])
    if old and not module.check_mode:
        status, text = host.run("dpkg", "--purge", *old)
        if status:
            module.fail_json(msg=f"dpkg could not remove {', '.join(old)}:\n{text}")
    after = {**installed, **asked} if module.check_mode else host.installed()
    names = sorted({name for name, _ in packages + tools} | set(old))
    before_text, after_text = (
        _listing(names, have) for have in (installed, {k: after[k] for k in after if k not in old})
    )
    if before_text != after_text:
        diff.append(
            {"before_header": "packages", "after_header": "packages", "before": before_text, "after": after_text}
        )
    module.exit_json(
        changed=bool(interrupted or arguments or diff or old),
        diff=diff,
        packages={name: after[name] for name in names if name in after},
        removed=old,
    )


def _listing(names, have):
    """One line for each package that is there."""
    return "".join(f"{name} {have[name] or '(new)'}\n" for name in names if name in have)


if __name__ == "__main__":
    main()
