# SPDX-License-Identifier: Apache-2.0

"""What deploying a bootable container raises: one sentence, no secrets."""


class BootcError(Exception):
    """The container cannot be deployed; the message says what and where."""


class OptionError(BootcError, ValueError):
    """An option is unknown, or its value cannot be right."""


class ImageNameError(BootcError, ValueError):
    """The name of the image is malformed, or of a kind that cannot be."""


class CredentialError(BootcError, ValueError):
    """The secret for the registry has none of the known forms."""


class RegistryError(BootcError):
    """The registry cannot be asked, or its answer makes no sense."""


class RegistryTimeoutError(RegistryError):
    """The registry does not answer in time."""


class NoSuchImageError(RegistryError):
    """The registry has no such image."""


class UnauthorisedError(RegistryError):
    """The registry wants credentials, or other ones."""


class CertificateError(RegistryError):
    """The certificate of the registry does not pass."""


class ArchitectureError(BootcError):
    """The image is not made for the machine's processor."""


class NotBootableError(BootcError):
    """The image is no bootable container."""


class SignatureError(BootcError):
    """The signature policy does not let the image in."""


class DiskSizeError(BootcError):
    """The disk, or the root partition as asked for, is too small."""


class NoDiskError(BootcError):
    """There is no disk to install on."""


class DiskBusyError(BootcError):
    """What lies on the disk cannot be taken down."""


class NoTpmError(BootcError):
    """The disk is to be encrypted, and the machine lacks what that takes."""


class ImageWishError(BootcError):
    """The image does not allow, or does not know, what the node wants."""


class MemoryShortError(BootcError):
    """The machine cannot hold the image while it is installed."""


class StoreError(BootcError):
    """The place for the image cannot be made or taken down."""


class PodmanError(BootcError):
    """podman is missing, too old, or does not work."""


class InstallError(BootcError):
    """bootc failed; the message has its own words."""


class InstallTimeoutError(BootcError):
    """Pulling and installing took longer than they may."""


class VerifyError(BootcError):
    """What was installed is not what a machine can boot from."""
