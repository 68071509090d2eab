import java.io.IOException;
import java.io.StringReader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Properties;

/**
 * Prints what java.util.Properties reads from files, a line of JSON each:
 *
 * <pre>java ReadProperties.java FILE... > properties.jsonl</pre>
 *
 * Text is taken as the daemon takes it: UTF-8 without its mark, or else ISO-8859-1.
 */
public class ReadProperties {
    public static void main(String[] files) throws IOException {
        for (String file : files) {
            byte[] bytes = Files.readAllBytes(Path.of(file));
            String hex = HexFormat.of().formatHex(bytes);
            System.out.printf("{\"hex\":\"%s\",\"java\":%s}%n", hex, read(decode(bytes)));
        }
    }

    private static String decode(byte[] bytes) {
        try {
            ByteBuffer input = ByteBuffer.wrap(bytes);
            String text = StandardCharsets.UTF_8.newDecoder().decode(input).toString();
            return text.startsWith("\ufeff") ? text.substring(1) : text;
        } catch (CharacterCodingException notUtf8) {
            return new String(bytes, StandardCharsets.ISO_8859_1);
        }
    }

    private static String read(String text) throws IOException {
        List<String> entries = new ArrayList<>();
        List<String> halves = new ArrayList<>();
        Properties properties = new Properties() {
            @Override
            public synchronized Object put(Object key, Object value) {
                for (String text : new String[] {(String) key, (String) value}) {
                    if (!StandardCharsets.UTF_16BE.newEncoder().canEncode(text)) {
                        halves.add(text);
                    }
                }
                entries.add("[" + quote((String) key) + "," + quote((String) value) + "]");
                return super.put(key, value);
            }
        };
        try {
            properties.load(new StringReader(text));
        } catch (IllegalArgumentException refused) {
            return "\"refused\"";
        }
        return halves.isEmpty() ? "[" + String.join(",", entries) + "]" : "\"half a character\"";
    }

    /** Text in JSON, all in ASCII. */
    private static String quote(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\' || c < ' ' || c > '~') {
                quoted.append(String.format("\\u%04x", (int) c));
            } else {
                quoted.append(c);
            }
        }
        return quoted.append('"').toString();
    }
}
