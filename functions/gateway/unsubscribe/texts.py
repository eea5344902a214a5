"""What the page says, in each of its languages."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Notice(StrEnum):
    """What became of a request: the field of `Texts` that says so."""

    DONE = "done"
    UNDONE = "undone"
    SAVED = "saved"
    UNKNOWN = "unknown"
    NOT_UNDERSTOOD = "not_understood"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Texts:
    """..._service, ..._marketing: by the class of the message that the link was in"""

    title: str
    stop_service: str
    stop_marketing: str
    unsubscribe: str
    stopped_service: str
    stopped_marketing: str
    stopped_others: str
    again: str
    done: str
    undone: str
    choices: str
    ticked: str
    locked: str
    save: str
    saved: str
    unknown: str
    not_understood: str
    later: str

    def of(self, notice: Notice) -> str:
        return str(getattr(self, notice))


TEXTS: Mapping[str, Texts] = {
    "en": Texts(
        title="Your messages",
        stop_service="If you unsubscribe, these messages no longer come to this address. Others still do.",
        stop_marketing="If you unsubscribe, no advertising of any kind comes to this address any more. Messages you "
        "need still do.",
        unsubscribe="Unsubscribe",
        stopped_service="You have unsubscribed from these messages to this address.",
        stopped_marketing="You have unsubscribed from advertising to this address.",
        stopped_others="You have unsubscribed from other messages to this address.",
        again="Subscribe again",
        done="Done: you are unsubscribed.",
        undone="Done: that you had unsubscribed here is taken back.",
        choices="What you want to get",
        ticked="What you tick comes again, even if you have unsubscribed from it.",
        locked="What cannot be ticked is stopped for another reason: the address does not work, there was a complaint "
        "or a STOP, or the sender has stopped it.",
        save="Save",
        saved="Your choices are saved.",
        unknown="This link does not work. It may be incomplete: please take the one in a newer message.",
        not_understood="That did not work, and nothing was changed. Please open the link in your message again.",
        later="That is not possible right now, and may not be saved. Please try again in a few minutes.",
    ),
    "de": Texts(
        title="Ihre Nachrichten",
        stop_service="Wenn Sie abbestellen, kommen diese Nachrichten nicht mehr an diese Adresse. Andere kommen "
        "weiterhin.",
        stop_marketing="Wenn Sie abbestellen, kommt keinerlei Werbung mehr an diese Adresse. Nachrichten, die Sie "
        "brauchen, kommen weiterhin.",
        unsubscribe="Abbestellen",
        stopped_service="Sie haben diese Nachrichten an diese Adresse abbestellt.",
        stopped_marketing="Sie haben Werbung an diese Adresse abbestellt.",
        stopped_others="Sie haben andere Nachrichten an diese Adresse abbestellt.",
        again="Wieder bestellen",
        done="Erledigt: Sie haben abbestellt.",
        undone="Erledigt: Ihre Abbestellung an dieser Adresse ist zurückgenommen.",
        choices="Was Sie bekommen möchten",
        ticked="Was Sie ankreuzen, kommt wieder, auch wenn Sie es abbestellt haben.",
        locked="Was sich nicht ankreuzen lässt, ist aus einem anderen Grund gesperrt: Die Adresse funktioniert nicht, "
        "es gab eine Beschwerde oder ein STOP, oder der Absender hat es gesperrt.",
        save="Speichern",
        saved="Ihre Auswahl ist gespeichert.",
        unknown="Dieser Link funktioniert nicht. Vielleicht ist er unvollständig: Bitte nehmen Sie den aus einer "
        "neueren Nachricht.",
        not_understood="Das hat nicht geklappt, und es wurde nichts geändert. Bitte öffnen Sie den Link in Ihrer "
        "Nachricht noch einmal.",
        later="Das geht gerade nicht und ist vielleicht nicht gespeichert. Bitte versuchen Sie es in ein paar Minuten "
        "noch einmal.",
    ),
    "fr": Texts(
        title="Vos messages",
        stop_service="Si vous vous désabonnez, ces messages n’arriveront plus à cette adresse. Les autres "
        "continueront d’arriver.",
        stop_marketing="Si vous vous désabonnez, plus aucune publicité n’arrivera à cette adresse. Les messages dont "
        "vous avez besoin continueront d’arriver.",
        unsubscribe="Se désabonner",
        stopped_service="Votre abonnement à ces messages est annulé pour cette adresse.",
        stopped_marketing="Votre abonnement à la publicité est annulé pour cette adresse.",
        stopped_others="Votre abonnement à d’autres messages est annulé pour cette adresse.",
        again="Se réabonner",
        done="C’est fait : votre abonnement est annulé.",
        undone="C’est fait : votre désabonnement de cette adresse est annulé.",
        choices="Ce que vous voulez recevoir",
        ticked="Ce que vous cochez arrivera de nouveau, même après un désabonnement.",
        locked="Ce qui ne peut pas être coché est bloqué pour une autre raison : l’adresse ne fonctionne pas, il y a "
        "eu une plainte ou un STOP, ou l’expéditeur l’a bloqué.",
        save="Enregistrer",
        saved="Vos choix sont enregistrés.",
        unknown="Ce lien ne fonctionne pas. Il est peut-être incomplet : prenez celui d’un message plus récent.",
        not_understood="Cela n’a pas marché, et rien n’a été modifié. Ouvrez de nouveau le lien dans votre message.",
        later="Ce n’est pas possible pour le moment, et ce n’est peut-être pas enregistré. Réessayez dans quelques "
        "minutes.",
    ),
    "es": Texts(
        title="Sus mensajes",
        stop_service="Si cancela la suscripción, estos mensajes ya no llegarán a esta dirección. Los demás seguirán "
        "llegando.",
        stop_marketing="Si cancela la suscripción, no llegará más publicidad de ningún tipo a esta dirección. Los "
        "mensajes que necesita seguirán llegando.",
        unsubscribe="Cancelar la suscripción",
        stopped_service="Ha cancelado la suscripción a estos mensajes en esta dirección.",
        stopped_marketing="Ha cancelado la suscripción a la publicidad en esta dirección.",
        stopped_others="Ha cancelado la suscripción a otros mensajes en esta dirección.",
        again="Suscribirse de nuevo",
        done="Hecho: ha cancelado la suscripción.",
        undone="Hecho: su cancelación en esta dirección ha quedado sin efecto.",
        choices="Lo que quiere recibir",
        ticked="Lo que marque volverá a llegar, aunque haya cancelado la suscripción.",
        locked="Lo que no se puede marcar está bloqueado por otro motivo: la dirección no funciona, hubo una queja "
        "o un STOP, o el remitente lo ha bloqueado.",
        save="Guardar",
        saved="Sus preferencias están guardadas.",
        unknown="Este enlace no funciona. Puede que esté incompleto: use el de un mensaje más reciente.",
        not_understood="No ha funcionado y no se ha cambiado nada. Abra de nuevo el enlace de su mensaje.",
        later="Ahora mismo no es posible, y puede que no se haya guardado. Inténtelo de nuevo en unos minutos.",
    ),
    "it": Texts(
        title="I tuoi messaggi",
        stop_service="Se annulli l’iscrizione, questi messaggi non arriveranno più a questo indirizzo. Gli altri "
        "continueranno ad arrivare.",
        stop_marketing="Se annulli l’iscrizione, a questo indirizzo non arriverà più pubblicità di alcun tipo. I "
        "messaggi che ti servono continueranno ad arrivare.",
        unsubscribe="Annulla l’iscrizione",
        stopped_service="Hai annullato l’iscrizione a questi messaggi per questo indirizzo.",
        stopped_marketing="Hai annullato l’iscrizione alla pubblicità per questo indirizzo.",
        stopped_others="Hai annullato l’iscrizione ad altri messaggi per questo indirizzo.",
        again="Iscriviti di nuovo",
        done="Fatto: l’iscrizione è annullata.",
        undone="Fatto: la disiscrizione da questo indirizzo è annullata.",
        choices="Che cosa vuoi ricevere",
        ticked="Ciò che selezioni arriverà di nuovo, anche se ne avevi annullato l’iscrizione.",
        locked="Ciò che non si può selezionare è bloccato per un altro motivo: l’indirizzo non funziona, c’è stato un "
        "reclamo o uno STOP, oppure il mittente lo ha bloccato.",
        save="Salva",
        saved="Le tue scelte sono salvate.",
        unknown="Questo link non funziona. Forse è incompleto: usa quello di un messaggio più recente.",
        not_understood="Non ha funzionato e non è stato cambiato nulla. Apri di nuovo il link nel tuo messaggio.",
        later="Al momento non è possibile, e potrebbe non essere salvato. Riprova tra qualche minuto.",
    ),
    "pt": Texts(
        title="As suas mensagens",
        stop_service="Se cancelar a subscrição, estas mensagens deixam de chegar a este endereço. As outras continuam "
        "a chegar.",
        stop_marketing="Se cancelar a subscrição, deixa de chegar publicidade de qualquer tipo a este endereço. As "
        "mensagens de que precisa continuam a chegar.",
        unsubscribe="Cancelar a subscrição",
        stopped_service="Cancelou a subscrição destas mensagens neste endereço.",
        stopped_marketing="Cancelou a subscrição da publicidade neste endereço.",
        stopped_others="Cancelou a subscrição de outras mensagens neste endereço.",
        again="Subscrever de novo",
        done="Feito: a subscrição está cancelada.",
        undone="Feito: o cancelamento neste endereço foi anulado.",
        choices="O que quer receber",
        ticked="O que marcar volta a chegar, mesmo que tenha cancelado a subscrição.",
        locked="O que não pode ser marcado está bloqueado por outro motivo: o endereço não funciona, houve uma "
        "reclamação ou um STOP, ou o remetente bloqueou-o.",
        save="Guardar",
        saved="As suas escolhas estão guardadas.",
        unknown="Esta ligação não funciona. Pode estar incompleta: use a de uma mensagem mais recente.",
        not_understood="Não funcionou e nada foi alterado. Abra de novo a ligação na sua mensagem.",
        later="Neste momento não é possível, e pode não ter ficado guardado. Tente de novo dentro de alguns minutos.",
    ),
    "nl": Texts(
        title="Uw berichten",
        stop_service="Als u zich afmeldt, komen deze berichten niet meer op dit adres. Andere blijven komen.",
        stop_marketing="Als u zich afmeldt, komt er geen enkele reclame meer op dit adres. Berichten die u nodig "
        "hebt, blijven komen.",
        unsubscribe="Afmelden",
        stopped_service="U hebt zich op dit adres voor deze berichten afgemeld.",
        stopped_marketing="U hebt zich op dit adres voor reclame afgemeld.",
        stopped_others="U hebt zich op dit adres voor andere berichten afgemeld.",
        again="Weer aanmelden",
        done="Gelukt: u bent afgemeld.",
        undone="Gelukt: uw afmelding op dit adres is ingetrokken.",
        choices="Wat u wilt krijgen",
        ticked="Wat u aanvinkt, komt weer, ook als u zich ervoor hebt afgemeld.",
        locked="Wat niet kan worden aangevinkt, is om een andere reden geblokkeerd: het adres werkt niet, er was een "
        "klacht of een STOP, of de afzender heeft het geblokkeerd.",
        save="Opslaan",
        saved="Uw keuzes zijn opgeslagen.",
        unknown="Deze link werkt niet. Misschien is hij onvolledig: gebruik die uit een nieuwer bericht.",
        not_understood="Dat is niet gelukt, en er is niets veranderd. Open de link in uw bericht opnieuw.",
        later="Dat kan nu niet, en is misschien niet opgeslagen. Probeer het over een paar minuten opnieuw.",
    ),
    "pl": Texts(
        title="Twoje wiadomości",
        stop_service="Po rezygnacji te wiadomości nie będą już przychodzić na ten adres. Inne nadal będą.",
        stop_marketing="Po rezygnacji żadne reklamy nie będą już przychodzić na ten adres. Wiadomości, których "
        "potrzebujesz, nadal będą.",
        unsubscribe="Zrezygnuj z subskrypcji",
        stopped_service="Subskrypcja tych wiadomości na ten adres jest anulowana.",
        stopped_marketing="Subskrypcja reklam na ten adres jest anulowana.",
        stopped_others="Subskrypcja innych wiadomości na ten adres jest anulowana.",
        again="Subskrybuj ponownie",
        done="Gotowe: subskrypcja została anulowana.",
        undone="Gotowe: rezygnacja na tym adresie jest cofnięta.",
        choices="Co chcesz otrzymywać",
        ticked="To, co zaznaczysz, będzie znów przychodzić, nawet jeśli subskrypcja była anulowana.",
        locked="To, czego nie można zaznaczyć, jest zablokowane z innego powodu: adres nie działa, była skarga albo "
        "STOP, albo zablokował to nadawca.",
        save="Zapisz",
        saved="Twój wybór został zapisany.",
        unknown="Ten link nie działa. Może jest niepełny: użyj linku z nowszej wiadomości.",
        not_understood="Nie udało się i nic nie zostało zmienione. Otwórz ponownie link z wiadomości.",
        later="Teraz nie jest to możliwe i mogło nie zostać zapisane. Spróbuj ponownie za kilka minut.",
    ),
}
_MOST = 20  # languages that a browser names


def language(locales: Iterable[str | None], accept_language: str) -> str:
    """Of the page: the first of these that it has, else what the browser prefers, else English."""
    wanted = [*(locale for locale in locales if locale), *_preferred(accept_language)]
    spoken = (tag.replace("_", "-").partition("-")[0].lower() for tag in wanted)
    return next((each for each in spoken if each in TEXTS), "en")


def _preferred(accept_language: str) -> Iterator[str]:
    """RFC 9110, 12.5.4."""
    weighted = []
    for part in accept_language.split(",", _MOST)[:_MOST]:
        tag, _, weight = part.partition(";")
        try:
            weighted.append((float(weight.strip().removeprefix("q=") or 1), tag.strip()))
        except ValueError:
            continue
    yield from (tag for weight, tag in sorted(weighted, key=lambda each: -each[0]) if weight > 0)
