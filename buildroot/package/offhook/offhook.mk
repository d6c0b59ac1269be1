################################################################################
#
# offhook
#
################################################################################

OFFHOOK_VERSION = 0.1.0
OFFHOOK_SOURCE = offhook-$(OFFHOOK_VERSION).tar.xz
# cross/release-tarball writes it, with all crates in VENDOR/: a local
# folder as source would not be vendored. A release can be taken from
# elsewhere: make OFFHOOK_SITE=https://...
OFFHOOK_SITE ?= $(abspath $(BR2_EXTERNAL_OFFHOOK_PATH)/..)/target/release
OFFHOOK_SITE_METHOD = $(if $(findstring ://,$(OFFHOOK_SITE)),wget,file)
OFFHOOK_LICENSE = MIT or Apache-2.0
OFFHOOK_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE
OFFHOOK_DEPENDENCIES = host-pkgconf alsa-lib opus

# Paths of the machine that builds would end up in messages of panics. The
# profile is Cargo.toml's: Buildroot's own settings for Cargo come before
# these and would take its place.
OFFHOOK_CARGO_ENV = \
	SOURCE_DATE_EPOCH=$$(cat $(@D)/SOURCE_DATE_EPOCH) \
	PKG_CONFIG_ALLOW_CROSS=1 \
	CARGO_PROFILE_RELEASE_LTO=fat \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 \
	CARGO_PROFILE_RELEASE_OPT_LEVEL=3 \
	CARGO_TARGET_$(call UPPERCASE,$(RUSTC_TARGET_NAME))_RUSTFLAGS="--remap-path-prefix=$(@D)=/offhook"

# Both programs together, as cross/build makes them. The workspace has
# no crate at its top, which is what cargo-package's own commands want.
define OFFHOOK_BUILD_CMDS
	cd $(@D) && \
	$(TARGET_MAKE_ENV) $(TARGET_CONFIGURE_OPTS) $(PKG_CARGO_ENV) \
		$(OFFHOOK_CARGO_ENV) \
		cargo build --offline --release --locked \
			--manifest-path Cargo.toml -p offhookd -p pbxd
endef

define OFFHOOK_INSTALL_TARGET_CMDS
	$(foreach program,offhookd pbxd,\
		$(INSTALL) -D -m 0755 \
			$(@D)/target/$(RUSTC_TARGET_NAME)/release/$(program) \
			$(TARGET_DIR)/usr/bin/$(program)$(sep))
endef

$(eval $(cargo-package))
