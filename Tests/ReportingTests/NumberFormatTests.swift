import Reporting
import Testing

@Suite struct NumberFormatTests {
  @Test func figures() {
    #expect(NumberFormat.decibels(37.689) == "37.69 dB")
    #expect(NumberFormat.decibels(.infinity) == "∞ dB")
    #expect(NumberFormat.fixed(nil) == "–")
    #expect(NumberFormat.fixed(.nan) == "–")
    #expect(NumberFormat.percent(0.0714) == "7.1 %")
    #expect(NumberFormat.factor(3.4249) == "3.42×")
    #expect(NumberFormat.scientific(0.0000123) == "1.2e-05")
    #expect(NumberFormat.fixed(1, digits: -3) == "1")
  }

  @Test(arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (12288, "12,288"), (-1_234_567, "-1,234,567")])
  func groups(value: Int, text: String) { #expect(NumberFormat.grouped(value) == text) }

  @Test func theLeastIntegerHasGroupsToo() {
    #expect(NumberFormat.grouped(.min) == "-9,223,372,036,854,775,808")
  }

  @Test(
    arguments: [
      (0, "0 µs"), (0.00085, "850 µs"), (0.01234, "12.3 ms"), (0.25, "250 ms"), (0.9996, "1.00 s"), (4.56, "4.56 s"),
      (59.96, "1 min 00 s"), (200, "3 min 20 s"), (3900, "1 h 05 min"), (-1, "–"), (.infinity, "–"),
      (1e300, "1000000000 h 00 min"),
    ] as [(Double, String)])
  func durations(seconds: Double, text: String) { #expect(NumberFormat.duration(seconds) == text) }

  @Test(arguments: [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (39_544_958, "37.7 MiB"), (1 << 40, "1.0 TiB")])
  func sizes(count: Int, text: String) { #expect(NumberFormat.bytes(count) == text) }
}
