"""What tests share: servers, histories, samples, a stand-in for Windmill."""
