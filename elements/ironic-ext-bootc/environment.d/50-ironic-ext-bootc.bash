# What pip installs: a wheel's path, or a requirement.
export DIB_IRONIC_EXT=${DIB_IRONIC_EXT:-ironic-ext}
