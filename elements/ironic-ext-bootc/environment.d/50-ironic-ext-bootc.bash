# What pip installs: a wheel's path, or a requirement.
export DIB_IRONIC_EXT=${DIB_IRONIC_EXT:?give the path of a wheel of ironic-ext}
