include $(sort $(wildcard $(BR2_EXTERNAL_VEDETTE_PATH)/package/*/*.mk))
