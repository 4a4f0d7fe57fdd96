#!/usr/bin/perl
# A telephone made of Debian's Net::SIP: commands on standard input, a line on standard output for all that happens.
#
#   net_sip.pl PROTO PORT FROM TONE HEARD [USER PASSWORD REGISTRAR]
#
# It listens on that port of 127.0.0.1. TONE (played) and HEARD (recorded) are raw PCMU. Commands: register, call URI, dtmf DIGITS,
# hold, resume, bye, quit. Incoming calls are answered.
use strict;
use warnings;
use Net::SIP;
use Net::SIP::Dispatcher::Eventloop;
use Net::SIP::Simple::RTP;

$| = 1;
my ( $proto, $port, $from, $tone, $heard, $user, $password, $registrar ) = @ARGV;
my ( $call, $quit );

sub told { print join( ' ', @_ ), "\n" }

my $ua = Net::SIP::Simple->new(
    legs => [ { proto => $proto, addr => '127.0.0.1', port => $port } ],
    from => $from,
    $user ? ( auth => [ $user, $password ] ) : (),
    $registrar ? ( registrar => $registrar ) : (),
) or die "no telephone: $!";
told('ready');

sub media { return $ua->rtp( 'media_send_recv', $tone, -1, $heard ) }

my %hooks = (
    init_media => media(),
    recv_bye   => sub { told('bye-received'); undef $call },
    send_bye   => sub { told('bye-sent') },
    cb_dtmf    => sub { told( 'digit', $_[0] ) },
);

$ua->listen(
    %hooks,
    cb_create      => sub { $call = $_[0]; told('incoming'); return 1 },
    cb_established => sub { told('established') },
);

sub final { my ( $status, undef, %info ) = @_; told( 'final', $status, $info{code} // '' ) }

my %verbs = (
    register => sub {
        $ua->register( cb_final => sub { my ( $status, %info ) = @_; told( 'registered', $status, $info{code} // '' ) } );
    },
    call   => sub { $call = $ua->invite( $_[0], %hooks, cb_final => \&final ) },
    dtmf   => sub { $call->dtmf( $_[0], methods => 'rfc2833', cb_final => sub { told('digits-sent') } ) },
    hold   => sub { $call->reinvite( call_on_hold => 1, cb_final => \&final ) },
    resume => sub { $call->reinvite( clear_sdp => 1, cb_final => \&final ) },
    bye    => sub { $call->bye( cb_final => sub { told('bye-answered') } ) },
    quit   => sub { $quit = 1 },
);

my $typed = '';
$ua->{loop}->addFD(
    \*STDIN,
    EV_READ,
    sub {
        sysread( STDIN, $typed, 4096, length $typed ) or do { $quit = 1; return };
        while ( $typed =~ s/^([^\n]*)\n// ) {
            my ( $verb, $what ) = split ' ', $1, 2;
            my $do = $verbs{ $verb // '' } or next;
            eval { $do->($what); 1 } or told( 'failed', $@ );
        }
    },
);
$ua->loop( \$quit );
