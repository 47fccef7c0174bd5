################################################################################
#
# vedette
#
################################################################################

VEDETTE_VERSION = 0.1.0
VEDETTE_SOURCE = vedette-$(VEDETTE_VERSION)-vendored.tar.gz
# Made by buildroot/release, crates included: building needs no network.
VEDETTE_SITE = $(BR2_EXTERNAL_VEDETTE_PATH)/../target/buildroot
VEDETTE_SITE_METHOD = file
VEDETTE_LICENSE = Apache-2.0
VEDETTE_LICENSE_FILES = LICENSE

# The same file for both: state lies in /var/lib/vedette, passwords in
# /etc/vedette/secrets.
define VEDETTE_INSTALL_CONFIGURATION
	$(INSTALL) -D -m 0640 $(@D)/config/starter.toml \
		$(TARGET_DIR)/etc/vedette/vedette.toml
	$(INSTALL) -d -m 0750 $(TARGET_DIR)/etc/vedette/secrets
	$(INSTALL) -d -m 0755 $(TARGET_DIR)/etc/vedette/rules.d
	$(INSTALL) -m 0644 -t $(TARGET_DIR)/etc/vedette/rules.d \
		$(@D)/config/rules/*.yml
endef
VEDETTE_POST_INSTALL_TARGET_HOOKS += VEDETTE_INSTALL_CONFIGURATION

# The second package of the workspace, into the same target directory.
ifeq ($(BR2_PACKAGE_VEDETTE_GST),y)
VEDETTE_DEPENDENCIES += host-pkgconf gstreamer1

define VEDETTE_BUILD_GST
	cd $(@D) && $(TARGET_MAKE_ENV) $(TARGET_CONFIGURE_OPTS) \
		$(PKG_CARGO_ENV) cargo build --offline --locked --release \
		--package vedette-gst
endef
VEDETTE_POST_BUILD_HOOKS += VEDETTE_BUILD_GST

define VEDETTE_INSTALL_GST
	$(INSTALL) -D -m 0755 \
		$(@D)/target/$(RUSTC_TARGET_NAME)/release/vedette-gst \
		$(TARGET_DIR)/usr/bin/vedette-gst
	$(INSTALL) -D -m 0644 \
		$(@D)/target/$(RUSTC_TARGET_NAME)/release/libgstvedette.so \
		$(TARGET_DIR)/usr/lib/gstreamer-1.0/libgstvedette.so
endef
VEDETTE_POST_INSTALL_TARGET_HOOKS += VEDETTE_INSTALL_GST
endif

define VEDETTE_INSTALL_INIT_SYSTEMD
	$(INSTALL) -D -m 0644 $(@D)/systemd/vedette.service \
		$(TARGET_DIR)/usr/lib/systemd/system/vedette.service
	$(INSTALL) -D -m 0644 $(@D)/systemd/vedette-peek.service \
		$(TARGET_DIR)/usr/lib/systemd/system/vedette-peek.service
	$(INSTALL) -D -m 0644 $(@D)/systemd/vedette-peek.socket \
		$(TARGET_DIR)/usr/lib/systemd/system/vedette-peek.socket
	$(INSTALL) -D -m 0644 $(@D)/systemd/vedette-peek-smart.service \
		$(TARGET_DIR)/usr/lib/systemd/system/vedette-peek-smart.service
	$(INSTALL) -D -m 0644 $(@D)/systemd/vedette-peek-smart.timer \
		$(TARGET_DIR)/usr/lib/systemd/system/vedette-peek-smart.timer
	$(INSTALL) -D -m 0644 $(@D)/systemd/vedette.tmpfiles \
		$(TARGET_DIR)/usr/lib/tmpfiles.d/vedette.conf
endef

define VEDETTE_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(VEDETTE_PKGDIR)/S99vedette \
		$(TARGET_DIR)/etc/init.d/S99vedette
	$(INSTALL) -D -m 0644 $(VEDETTE_PKGDIR)/60-vedette.conf \
		$(TARGET_DIR)/etc/sysctl.d/60-vedette.conf
endef

# Instead of sysusers.d, whose numbers would be found anew by each image: the
# files on the data partition must keep their owner.
define VEDETTE_USERS
	vedette 790 vedette 790 * /var/lib/vedette - video,render Vedette, sentry on a recording node
endef

define VEDETTE_PERMISSIONS
	/etc/vedette/secrets d 0750 root vedette - - - - -
	/etc/vedette/vedette.toml f 0640 root vedette - - - - -
endef

$(eval $(cargo-package))
