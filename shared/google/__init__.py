"""Google's services as Hark uses them: records on Firestore, messages over Pub/Sub. Nothing is decided here."""
