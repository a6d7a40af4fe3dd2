// A device on the Eclipse Leshan client library that bootstraps and says what it then holds.
// SPDX-License-Identifier: Apache-2.0
// Usage: java -cp 'LIBRARIES/*' LeshanDevice.java URI ENDPOINT -|tlv|senml-cbor|senml-json psk IDENTITY KEYFILE
//        java -cp 'LIBRARIES/*' LeshanDevice.java URI ENDPOINT -|tlv|.. x509 CERTIFICATE KEY SERVER-CERTIFICATE
//        java -cp 'LIBRARIES/*' LeshanDevice.java URI ENDPOINT -|tlv|.. nosec
// A key for psk in hexadecimal, the files for x509 in DER.
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

import org.eclipse.leshan.client.LeshanClient;
import org.eclipse.leshan.client.LeshanClientBuilder;
import org.eclipse.leshan.client.engine.DefaultRegistrationEngineFactory;
import org.eclipse.leshan.client.object.Device;
import org.eclipse.leshan.client.object.Oscore;
import org.eclipse.leshan.client.object.Security;
import org.eclipse.leshan.client.object.Server;
import org.eclipse.leshan.client.observer.LwM2mClientObserverAdapter;
import org.eclipse.leshan.client.resource.LwM2mObjectEnabler;
import org.eclipse.leshan.client.resource.ObjectsInitializer;
import org.eclipse.leshan.client.resource.SimpleInstanceEnabler;
import org.eclipse.leshan.client.servers.DefaultServersInfoExtractor;
import org.eclipse.leshan.client.servers.DmServerInfo;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.LwM2mId;
import org.eclipse.leshan.core.ResponseCode;
import org.eclipse.leshan.core.request.BootstrapRequest;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.transport.californium.client.endpoint.CaliforniumClientEndpointsProvider;
import org.eclipse.leshan.transport.californium.client.endpoint.coap.CoapClientProtocolProvider;
import org.eclipse.leshan.transport.californium.client.endpoint.coaps.CoapsClientProtocolProvider;

public class LeshanDevice {
    private static final int LIMIT_SECONDS = 60;
    private static final Map<String, ContentFormat> FORMATS = Map.of("tlv", ContentFormat.TLV,
            "senml-cbor", ContentFormat.SENML_CBOR, "senml-json", ContentFormat.SENML_JSON);

    public static void main(String[] args) throws Exception {
        CompletableFuture<String> outcome = new CompletableFuture<>();
        LeshanClient client = build(args, outcome);
        client.start();
        String failure;
        try {
            failure = outcome.get(LIMIT_SECONDS, TimeUnit.SECONDS);
        } catch (java.util.concurrent.TimeoutException e) {
            failure = "no outcome within " + LIMIT_SECONDS + " s";
        }
        System.out.println(failure.isEmpty() ? "bootstrapped" : "failed: " + failure);
        if (failure.isEmpty())
            print(client);
        client.destroy(false);
        System.exit(failure.isEmpty() ? 0 : 1);
    }

    /** The bootstrap account. */
    private static Security account(String[] args) throws Exception {
        if (args[3].equals("nosec"))
            return Security.noSecBootstrap(args[0]);
        if (args[3].equals("x509"))
            return Security.x509Bootstrap(args[0], Files.readAllBytes(Path.of(args[4])),
                    Files.readAllBytes(Path.of(args[5])), Files.readAllBytes(Path.of(args[6])));
        byte[] key = HexFormat.of().parseHex(Files.readString(Path.of(args[5])).trim());
        return Security.pskBootstrap(args[0], args[4].getBytes(StandardCharsets.UTF_8), key);
    }

    private static LeshanClient build(String[] args, CompletableFuture<String> outcome) throws Exception {
        ObjectsInitializer initializer = new ObjectsInitializer();
        initializer.setInstancesForObject(LwM2mId.SECURITY, account(args));
        initializer.setClassForObject(LwM2mId.SERVER, Server.class);
        initializer.setClassForObject(LwM2mId.OSCORE, Oscore.class);
        initializer.setClassForObject(LwM2mId.ACCESS_CONTROL, SimpleInstanceEnabler.class);
        initializer.setInstancesForObject(LwM2mId.DEVICE, new Device("usher", "leshan peer", "1"));

        DefaultRegistrationEngineFactory engine = new DefaultRegistrationEngineFactory();
        if (FORMATS.containsKey(args[2]))
            engine.setPreferredContentFormat(FORMATS.get(args[2]));
        LeshanClientBuilder builder = new LeshanClientBuilder(args[1]);
        builder.setObjects(initializer.createAll());
        builder.setRegistrationEngineFactory(engine);
        builder.setEndpointsProviders(
                new CaliforniumClientEndpointsProvider.Builder(new CoapsClientProtocolProvider(),
                        new CoapClientProtocolProvider()).build());
        LeshanClient client = builder.build();
        client.addObserver(new Watcher(outcome));
        return client;
    }

    /** The accounts as the library itself understands them, and the instances of each object. */
    private static void print(LeshanClient client) {
        Map<Integer, LwM2mObjectEnabler> objects = new TreeMap<>(client.getObjectTree().getObjectEnablers());
        for (LwM2mObjectEnabler object : objects.values())
            System.out.println("object /" + object.getId() + " instances " + object.getAvailableInstanceIds());
        for (DmServerInfo server : new DefaultServersInfoExtractor().getInfo(objects).deviceManagements.values())
            System.out.println("server " + server.serverId + " uri " + server.serverUri + " lifetime "
                    + server.lifetime + " mode " + server.secureMode + credential(server));
    }

    private static String credential(DmServerInfo server) {
        if (server.useOscore)
            return " oscore sender " + new String(server.oscoreSetting.getSenderId(), StandardCharsets.UTF_8)
                    + " recipient " + new String(server.oscoreSetting.getRecipientId(), StandardCharsets.UTF_8)
                    + " secret bytes " + server.oscoreSetting.getMasterSecret().length;
        if (server.pskKey != null)
            return " identity " + server.pskId + " key bytes " + server.pskKey.length;
        if (server.clientCertificates != null)
            return " certificate " + server.getX509ClientCertificates()[0].getSubjectX500Principal() + " key "
                    + server.privateKey.getAlgorithm() + " usage " + server.certificateUsage;
        return "";
    }

    private static final class Watcher extends LwM2mClientObserverAdapter {
        private final CompletableFuture<String> outcome;

        Watcher(CompletableFuture<String> outcome) {
            this.outcome = outcome;
        }

        @Override
        public void onBootstrapSuccess(LwM2mServer server, BootstrapRequest request) {
            outcome.complete("");
        }

        @Override
        public void onBootstrapFailure(LwM2mServer server, BootstrapRequest request, ResponseCode code,
                String message, Exception cause) {
            outcome.complete("refused " + code + " " + message + " " + cause);
        }

        @Override
        public void onBootstrapTimeout(LwM2mServer server, BootstrapRequest request) {
            outcome.complete("timeout");
        }

        @Override
        public void onUnexpectedError(Throwable error) {
            outcome.complete("unexpected " + error);
        }
    }
}
