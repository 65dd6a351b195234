/* Takes the token "token-of-ROLE" for that role, and "token-of-nobody" as valid without saying whose it is. */
#include "postgres.h"

#include "fmgr.h"
#include "libpq/oauth.h"

PG_MODULE_MAGIC;

static bool
validate(const ValidatorModuleState *state, const char *token, const char *role, ValidatorModuleResult *result)
{
	const char *prefix = "token-of-";

	if (strncmp(token, prefix, strlen(prefix)) != 0)
		return true;
	result->authorized = true;
	if (strcmp(token, "token-of-nobody") != 0)
		result->authn_id = pstrdup(token + strlen(prefix));
	return true;
}

static const OAuthValidatorCallbacks callbacks = {
	PG_OAUTH_VALIDATOR_MAGIC,
	.validate_cb = validate,
};

const OAuthValidatorCallbacks *
_PG_oauth_validator_module_init(void)
{
	return &callbacks;
}
