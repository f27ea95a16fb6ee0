. .saldo/env && API=$SALDO_URL/api/v1 EMAIL=first-$(date +%s)@example.org

ID=$(curl -s $API/registrations --json '{
  "person_type": "individual", "email": "'$EMAIL'"}' |
  grep -oP '"registration_id":"\K[^"]+')

CODE=$(until curl -s "$SALDO_MAILBOX_URL/letters?to=$EMAIL" |
  grep -oP '^ {4}\K\d+$'; do sleep 1; done) &&
curl -s $API/registrations/$ID/confirm --json '{"code": "'$CODE'",
  "accept_rules": true, "consent_personal_data": true}'

PASSWORD=$(until curl -s "$SALDO_MAILBOX_URL/letters?to=$EMAIL" |
  grep -oP '^ {4}\K[a-z0-9-]{14}$'; do sleep 1; done) &&
AUTH="Authorization: Bearer $(curl -s $API/sessions --json '{
  "email": "'$EMAIL'", "password": "'$PASSWORD'"}' |
  grep -oP '"token":"\K[^"]+')"

AUTH="Authorization: Bearer $(curl -s -X PUT $API/me/password \
  -H "$AUTH" --json '{
  "current_password": "'$PASSWORD'", "new_password": "a long walk home"}' |
  grep -oP '"token":"\K[^"]+')"

curl -s $API/accounts -H "$AUTH" --json '{
  "number": "0100000020", "proof": "4HS0-KHFR"}'

curl -s $API/payments/due -H "$AUTH"

PAYMENT=$(curl -s $API/payments -H "$AUTH" -H "Idempotency-Key: first" \
  --json '{"lines": [
    {"account": "0100000020", "amount": 100000, "penalty": 0}]}') &&
echo "$PAYMENT"

curl -s "$(grep -oP '"redirect_url":"\K[^"]+' <<< "$PAYMENT")" \
  -d 'card_number=4111 1111 1111 1111' -d expiry=12/49 -d cvc=123 \
  -w '%{http_code}\n'

until curl -sf -H "$AUTH" $API/payments/$(
  grep -oP '"payment_id":"\K[^"]+' <<< "$PAYMENT")/receipt
do sleep 1; done
