/// The tool's version, as `--version` prints it and as it is recorded in what is written.
public enum Version {
  public static let current = "0.1.0"
}
